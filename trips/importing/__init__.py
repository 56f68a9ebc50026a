"""Reading what leagues publish: files in, events and complaints out. Nothing here touches the database."""
