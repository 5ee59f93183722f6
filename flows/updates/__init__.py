"""An update: trained, compared, recorded, promoted."""
