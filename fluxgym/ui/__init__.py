"""What the pages are made of. The only part of FluxGym that imports streamlit."""
