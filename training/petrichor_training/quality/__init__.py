"""Quality figures of generated sound, without pretrained networks; each stands beside that of recordings."""
