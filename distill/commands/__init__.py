"""The commands beside the four verbs, a module each, and the options that several of them share."""
