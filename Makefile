# Short names for those used to make; ./perdure does the work and needs none of this.
.PHONY: up chat test format

up chat test:
	./perdure $@

format:
	.venv/bin/ruff check --fix . && .venv/bin/ruff format .
