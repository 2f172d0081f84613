"""The OpenAPI document: complete, valid, true of what the server answers, and a guide for a fuzzer."""
