"""Tests of the project itself: packaging, deployment files, house rules."""
