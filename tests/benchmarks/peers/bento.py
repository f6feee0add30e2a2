"""BentoML: the call is held until its drawing is done, by a worker of the service."""

import bentoml


@bentoml.service(workers=1, traffic={"timeout": 60})
class Draw:
    @bentoml.api
    def draw(self, prompt: str, sizes: list[int]) -> dict[str, object]:
        return {"prompt": prompt, "images": dict.fromkeys(map(str, sizes), "")}
