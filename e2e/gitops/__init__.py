"""What GitOps tools conclude from our objects (kstatus for Flux, health for Argo CD), replayed over recordings."""
