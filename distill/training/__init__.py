"""How the student learns: its weights, its tokenizer, supervised fine-tuning."""
