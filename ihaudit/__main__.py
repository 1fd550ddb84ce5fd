"""`python -m ihaudit`."""

from ihaudit.cli import main

if __name__ == "__main__":
    main()
