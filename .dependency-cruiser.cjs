// Which way imports point (docs/architecture.md). A module may import what stands to its left, never what stands to its right;
// modules in one group do not know each other.
const ORDER = [
  ['platform'],
  ['keys'],
  ['novita'],
  ['pricing'],
  ['events'],
  ['webhooks'],
  ['instances'],
  ['lifecycle', 'migration'],
  ['metrics', 'health'],
];
const APP = '^src/[^/]+\\.ts$';
const SPEC = '\\.spec\\.ts$';

const folders = (names) => `^src/(?:${names.join('|')})/`;

const arrows = ORDER.flatMap((group, index) =>
  group.map((name) => {
    const siblings = group.filter((other) => other !== name);
    const forbidden = [...siblings, ...ORDER.slice(index + 1).flat()];
    return {
      name: `${name}-imports-only-from-its-left`,
      severity: 'error',
      from: { path: folders([name]), pathNot: SPEC },
      to: { path: [...(forbidden.length > 0 ? [folders(forbidden)] : []), APP] },
    };
  }),
);

module.exports = {
  forbidden: [
    ...arrows,
    {
      name: 'no-cycles',
      comment: 'A cycle of types alone is erased by the compiler and does no harm.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/generated/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'domain-knows-no-framework',
      severity: 'error',
      from: { path: '^src/[^/]+/domain/', pathNot: SPEC },
      to: { path: ['node_modules/(?:@nestjs|@prisma|pg|pg-boss|axios|undici|fastify|rxjs)(?:/|$)', '^src/generated/'] },
    },
    {
      name: 'domain-imports-domain-and-types',
      comment:
        'Values come from domain files and from the plain files of platform (clock, app-error); anything else as a type.',
      severity: 'error',
      from: { path: '^src/[^/]+/domain/', pathNot: SPEC },
      to: {
        path: '^src/',
        pathNot: ['^src/[^/]+/domain/', '^src/platform/(?!config)[^/]+\\.ts$'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'only-repositories-know-prisma',
      severity: 'error',
      from: { path: '^src/', pathNot: ['\\.repository\\.ts$', '^src/platform/database/', '^src/generated/', SPEC] },
      to: { path: ['^src/generated/prisma/', 'node_modules/@prisma/'] },
    },
    {
      name: 'only-novita-talks-to-upstream',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/novita/', SPEC] },
      to: { path: 'node_modules/(?:axios|@nestjs/axios)(?:/|$)' },
    },
    {
      name: 'only-novita-and-webhooks-call-out',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/(?:novita|webhooks)/', SPEC] },
      to: { path: 'node_modules/undici(?:/|$)' },
    },
    {
      name: 'no-barrels',
      severity: 'error',
      from: { path: '^(?:src|test)/' },
      to: { path: '^(?:src|test)/(?!generated/).*index\\.ts$' },
    },
    {
      name: 'product-stands-alone',
      severity: 'error',
      from: { path: '^src/', pathNot: SPEC },
      to: { path: '^(?:test|sandbox|bench|scripts)/' },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^src/metadata' },
    },
    {
      name: 'no-dev-dependencies-in-the-product',
      severity: 'error',
      from: { path: '^src/', pathNot: SPEC },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(?:dist|coverage)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.check.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
};
