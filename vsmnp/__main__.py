"""Run the command line as ``python -m vsmnp``, for an interpreter whose scripts are not on the path."""

from .cli import main

if __name__ == "__main__":
    main()
