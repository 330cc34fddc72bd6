import type { Connection, PortMapping } from '../../instances/domain/instance.js';
import type { Endpoint, MachineDetails, MappedPort } from '../../novita/novita-client.js';

const SSH_PORT = 22;
const JUPYTER_PORT = 8888;

/** How to get into a machine, out of what upstream's details say. */
export function toConnection(machine: MachineDetails): Connection {
  const jupyter = machine.jupyterUrl ?? endpointOf(machine, JUPYTER_PORT);
  return {
    portMappings: machine.endpoints.map(toPortMapping),
    ssh: machine.ssh?.command ?? null,
    sshPassword: machine.ssh?.password ?? null,
    jupyter,
    webTerminal: machine.webTerminalUrl,
  };
}

/** Null when the machine can be used as far as upstream can tell; otherwise what is still missing. */
export function whatIsMissing(machine: MachineDetails, ports: readonly MappedPort[]): string | null {
  const mapped = new Set(machine.endpoints.map(({ port }) => port));
  const unmapped = ports.filter(({ port }) => !mapped.has(port));
  if (unmapped.length > 0) return `no endpoint yet for port ${unmapped.map(({ port }) => port).join(', ')}`;
  const wantsSsh = ports.some(({ port }) => port === SSH_PORT);
  return wantsSsh && machine.ssh?.isRunning !== true ? 'SSH is not up yet' : null;
}

function toPortMapping({ port, type, endpoint }: Endpoint): PortMapping {
  if (port === SSH_PORT) return { port, type: 'ssh', endpoint: `ssh://${endpoint}` };
  if (port === JUPYTER_PORT && type === 'http') return { port, type: 'jupyter', endpoint };
  return { port, type, endpoint: type === 'tcp' ? `tcp://${endpoint}` : endpoint };
}

function endpointOf(machine: MachineDetails, wanted: number): string | null {
  return machine.endpoints.find(({ port, type }) => port === wanted && type === 'http')?.endpoint ?? null;
}
