"""Small bugs in the modules that must not have any, one by one: which of them do unit tests see?"""
