"""The guard against SSRF: checks addresses that users choose, and connects to nothing else.

`urls` checks the text, `names` finds and checks the addresses, `client` connects to exactly these addresses.
Nothing else in Loupe may open a connection to an address that a user chose.
"""
