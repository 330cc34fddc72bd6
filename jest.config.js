/** Tests import our sources as the built program does, by `./x.js`; only packages have such a file. */
const sourcesOfImports = { '^(\\.{1,2}/.*)\\.js$': ['$1.js', '$1.ts'] };

const swc = {
  swcrc: false,
  sourceMaps: 'inline',
  module: { type: 'es6' },
  jsc: {
    target: 'es2023',
    keepClassNames: true,
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true },
  },
};

const shared = {
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', swc] },
  moduleNameMapper: sourcesOfImports,
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.data/', '<rootDir>/.setup/'],
  testEnvironment: 'node',
};

const system = {
  ...shared,
  globalSetup: '<rootDir>/test/support/global-setup.mts',
  globalTeardown: '<rootDir>/test/support/global-teardown.mts',
};

export default {
  maxWorkers: 2,
  testTimeout: 60_000,
  projects: [
    { ...shared, displayName: 'unit', testMatch: ['<rootDir>/src/**/*.spec.ts'] },
    { ...system, displayName: 'system', testMatch: ['<rootDir>/test/**/*.spec.ts'] },
  ],
};
