"""A webhook is verified with svix, and a changed one is refused."""

from svix.webhooks import Webhook, WebhookVerificationError
from webhook_receiver import SECRET, received, save

payload, headers = received()
wh = Webhook(SECRET)
wh.verify(payload, headers)
save(payload)
try:
    wh.verify(payload.replace(b"succeeded", b"failed"), headers)
except WebhookVerificationError:
    pass
else:
    raise AssertionError("a changed body was taken")
