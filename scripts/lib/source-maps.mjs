// Loaded into the service before its own code. Stack traces name lines of the sources; unlike `--enable-source-maps` this does not
// keep the maps of every package in memory as well, a seventh of what the idle service takes.
import module from 'node:module';

// Node 22 has it from 22.14 on.
module.setSourceMapsSupport?.(true, { nodeModules: false, generatedCode: false });
