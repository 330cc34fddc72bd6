-- Headers that the owner of a webhook wants sent along, such as a gateway's credentials: names in clear, the whole encrypted.
ALTER TABLE "webhook_endpoints" ADD COLUMN "header_names" TEXT[] DEFAULT ARRAY[]::TEXT[], ADD COLUMN "sealed_headers" TEXT;
