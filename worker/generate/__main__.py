"""`python -m worker.generate`: one generate worker."""

from worker.generate.main import main

main()
