"""`python cli.py ...` in a checkout: the same as the installed command `distill ...`."""

from distill.cli import main

if __name__ == "__main__":
    main()
