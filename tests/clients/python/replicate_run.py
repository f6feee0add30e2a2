"""The first example of Replicate's package: a model draws, its files are written."""

import replicate

outputs = replicate.run("black-forest-labs/flux-schnell", input={"prompt": "astronaut riding a rocket like a horse"})

for index, output in enumerate(outputs):
    with open(f"output_{index}.png", "wb") as file:  # noqa: PTH123 - as the package has it
        file.write(output.read())
