// Writes src/generated/metadata.ts: what the compiler plugin of @nestjs/swagger would add to the classes if tsc built
// them. SWC cannot run that plugin; app and tests load the file with SwaggerModule.loadPluginMetadata().
import { mkdirSync } from 'node:fs';
import { PluginMetadataGenerator } from '@nestjs/cli/lib/compiler/plugins/plugin-metadata-generator.js';
import { ReadonlyVisitor } from '@nestjs/swagger/plugin';
import { at } from './project.mjs';

const outputDir = at('src', 'generated');
mkdirSync(outputDir, { recursive: true });

const visitor = new ReadonlyVisitor({
  // Paths in the file are relative to here.
  pathToSource: outputDir,
  introspectComments: true,
  controllerKeyOfComment: 'summary',
  dtoKeyOfComment: 'description',
  classValidatorShim: true,
  esmCompatible: true,
});
new PluginMetadataGenerator().generate({
  visitors: [visitor],
  outputDir,
  tsProgramRef: ReadonlyVisitor.createTsProgram(at('tsconfig.json')),
});
