"""Needs the plugin of anyio."""

import anyio
import pytest


@pytest.mark.anyio
async def test_it():
    await anyio.sleep(0)
