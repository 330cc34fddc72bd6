/**
 * What a key may do. `admin` covers all the others, which act inside its own team; what asks for `admin` itself (keys, audit)
 * concerns every team, whichever team the key is of.
 */
export const SCOPES = [
  'instances:read',
  'instances:write',
  'instances:delete',
  'webhooks:write',
  'migration:write',
  'metrics:read',
  'admin',
] as const;

export type Scope = (typeof SCOPES)[number];

export function isScope(text: string): text is Scope {
  return (SCOPES as readonly string[]).includes(text);
}

/** Whether somebody who was given `granted` may do what asks for `required`. */
export function covers(granted: readonly Scope[], required: Scope): boolean {
  return granted.includes(required) || granted.includes('admin');
}
