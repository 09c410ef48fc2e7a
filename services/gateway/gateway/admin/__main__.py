"""`python -m gateway.admin` is `loupe-admin`."""

from gateway.admin.command import main

main()
