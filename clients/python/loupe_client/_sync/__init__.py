# Generated from _async/__init__.py by `make client`. Do not edit.
