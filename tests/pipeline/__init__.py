"""Tests of `reconciler.pipeline`: whole steps over real files."""
