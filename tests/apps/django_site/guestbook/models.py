from django.db import models
from django.utils.translation import gettext_lazy as _


class Entry(models.Model):
    name = models.CharField(_("name"), max_length=80)
    message = models.TextField(_("message"))
    written = models.DateTimeField(_("written"), auto_now_add=True)

    class Meta:
        ordering = ["-written"]
        verbose_name = _("entry")
        verbose_name_plural = _("entries")

    def __str__(self):
        return f"{self.name}: {self.message[:40]}"
