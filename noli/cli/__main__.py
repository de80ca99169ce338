"""`python -m noli.cli` is `noli`."""

from noli.cli.main import main

if __name__ == "__main__":
    main()
