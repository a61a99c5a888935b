"""A machine with real DAX: QEMU emulates NVDIMMs, a Debian kernel drives them, our store stands on them.

`build` makes kernel and initramfs out of Debian packages, `machine` boots them and cuts their power, `power_cut` is what
is shown with it, `inside` is the Python that runs in the guest. Only emulation is used (TCG): /dev/kvm is neither needed
nor trusted. Nothing in the guest has a network.
"""
