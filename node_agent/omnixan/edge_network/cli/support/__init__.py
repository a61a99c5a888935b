"""`omnixan support-bundle`: what somebody who helps needs to see, in one file that can be handed on."""
