"""What goes wrong with the embedded services, in a sentence that says what to do."""


class EmbeddedError(Exception):
    pass
