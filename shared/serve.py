"""`python -m shared.serve [worker]`: the whole stack on this machine (shared/stack/serve.py)."""

from shared.stack.serve import main

if __name__ == "__main__":
    main()
