"""The API keys of a run: two tenants, of which one has many clients, beside the greedy one, the burst and the test."""

MANY, FEW = "a-key-with-many-clients", "a-key-with-few-clients"
GREEDY, BURST, OWN = "a-key-of-a-greedy-tenant", "a-key-of-ten-thousand-phones", "a-key-of-the-test-itself"
ENV = {"API_KEYS": f"{MANY},{FEW},{GREEDY},{BURST},{OWN}", "MAX_CREATED_PER_KEY_PER_MINUTE": "0"}
