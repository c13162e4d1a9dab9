"""What many tests share: fixtures, the order and the rules of the suite, and the drill. The servers that they run on
loopback are in the package `loopback`; `install.sh` fetches their programs."""
