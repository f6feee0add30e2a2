from worker.prompts import DESIGN_GUIDANCE, enhance


def test_the_guidance_follows_the_prompt():
    assert enhance("a red fox. ") == f"a red fox, {DESIGN_GUIDANCE}"
