"""The command line client: `python -m api.client --help`."""
