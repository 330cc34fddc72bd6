import { registerHooks } from 'node:module';

/**
 * Lets Node itself load our sources: an import of `./x.js` finds `./x.ts` where only that exists.
 * Jest does the same for tests; its global set-up and tear-down run outside of Jest's own module system.
 */
registerHooks({
  resolve(specifier, context, next) {
    try {
      return next(specifier, context);
    } catch (error) {
      if (!specifier.startsWith('.') || !specifier.endsWith('.js')) throw error;
      return next(specifier.replace(/\.js$/, '.ts'), context);
    }
  },
});
