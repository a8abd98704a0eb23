"""The four stages. Each reads the files of the one before, appends its own, and reads as its sentence."""
