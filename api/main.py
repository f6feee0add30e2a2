"""`python -m api.main`: the HTTP front on HOST and PORT, in API_WORKERS processes."""


def main() -> None:
    # Each of several processes imports this module before it can answer its supervisor (api/processes.py).
    from api.server import serve  # noqa: PLC0415 - see above

    serve()


if __name__ == "__main__":
    main()
