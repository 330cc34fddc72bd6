FROM node:24-bookworm-slim AS build
WORKDIR /app
# Prisma would download a native engine that nothing here uses; any existing program keeps it from that.
ENV PRISMA_SCHEMA_ENGINE_BINARY=/usr/local/bin/node SCARF_ANALYTICS=false CHECKPOINT_DISABLE=1
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run setup

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The optional packages are the embedded Postgres, which has no place in a container.
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
# Needed at run time by a few packages only, but the licences of all that is bundled in dist stand here: do not thin it out.
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json ./
COPY prisma/migrations ./prisma/migrations
COPY scripts/serve.mjs scripts/migrate.mjs ./scripts/
COPY scripts/lib/project.mjs scripts/lib/source-maps.mjs ./scripts/lib/
COPY sandbox ./sandbox
USER node
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--max-semi-space-size=8", "--max-old-space-size=384", "--import=./scripts/lib/source-maps.mjs", "scripts/serve.mjs"]
