"""The OpenAPI document of the API, written beside the views: nothing in here runs unless the document is asked for."""
