"""What Sentinel-2 is: bands, items, radiometry, scene classification, and how to fetch a band file."""
