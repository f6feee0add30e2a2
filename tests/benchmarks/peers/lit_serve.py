"""LitServe: the call is held until its drawing is done, by a worker process that one server process hands it to."""

import sys

import litserve


class Draw(litserve.LitAPI):
    def setup(self, device: str) -> None:
        """No model is loaded: a drawing takes no time here."""

    def decode_request(self, request: dict[str, object]) -> dict[str, object]:
        return request

    def predict(self, wish: dict[str, object]) -> dict[str, object]:
        return {"prompt": wish["prompt"], "images": dict.fromkeys(map(str, wish["sizes"]), "")}

    def encode_response(self, drawn: dict[str, object]) -> dict[str, object]:
        return drawn


if __name__ == "__main__":
    server = litserve.LitServer(Draw(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
