"""The example application that ``spanwise demo`` runs, and what it needs to run without a key."""
