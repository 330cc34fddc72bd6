/** Upstream keeps names to letters, digits and hyphens; 63 is safe everywhere. */
const MAX_LENGTH = 63;

/** What every machine of this deployment is called by; nothing that does not start with it is ever touched. */
export function ownPrefix(prefix: string, deploymentId: string): string {
  return `${prefix}-${deploymentId}-`;
}

/** `PREFIX-deployment-token`, then as much of the user's name as fits. The token makes it unique, the rest is for people. */
export function uniqueMachineName(prefix: string, deploymentId: string, token: string, userName: string): string {
  const start = `${ownPrefix(prefix, deploymentId)}${token}`;
  const readable = userName
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-+/, '');
  return `${start}-${readable}`.slice(0, MAX_LENGTH).replace(/-+$/, '');
}
