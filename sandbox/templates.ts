export interface RegistryAuth {
  id: string;
  name: string;
  username: string;
  password: string;
}

export const REGISTRY_AUTHS: readonly RegistryAuth[] = [
  {
    id: '0f6c1c62a4e94f0f8b8fd1f6a3b7c901',
    name: 'docker.io',
    username: 'acme',
    password: 'sandbox-registry-password',
  },
];

export interface Template {
  Id: string;
  name: string;
  channel: 'official' | 'community' | 'private';
  image: string;
  imageAuth: string;
  startCommand: string;
  entrypoint: string;
  rootfsSize: number;
  ports: { type: 'http' | 'tcp'; ports: number[] }[];
  envs: { key: string; value: string }[];
  tools: { name: string; describe: string; port: number; type: 'http' | 'tcp' }[];
  minCudaVersion: string;
  /** Private, and of another account: reading it is refused. */
  ofSomeoneElse?: boolean;
}

function template(values: Pick<Template, 'Id' | 'name' | 'image'> & Partial<Template>): Template {
  return {
    channel: 'official',
    imageAuth: '',
    startCommand: '',
    entrypoint: '',
    rootfsSize: 60,
    ports: [],
    envs: [],
    tools: [],
    minCudaVersion: '',
    ...values,
  };
}

export const TEMPLATES: readonly Template[] = [
  template({
    Id: 'template-123',
    name: 'PyTorch 2.4 with Jupyter',
    image: 'docker.io/pytorch/pytorch:2.4.0-cuda12.4-cudnn9-runtime',
    startCommand: 'jupyter lab --ip=0.0.0.0 --port=8888 --allow-root',
    ports: [
      { type: 'http', ports: [8888] },
      { type: 'tcp', ports: [22] },
    ],
    envs: [
      { key: 'JUPYTER_TOKEN', value: 'sandbox-jupyter-token' },
      { key: 'NVIDIA_VISIBLE_DEVICES', value: 'all' },
    ],
    minCudaVersion: '12.4',
  }),
  template({
    Id: '107672',
    name: 'vLLM server',
    image: 'docker.io/vllm/vllm-openai:v0.6.3',
    startCommand: '--model facebook/opt-125m',
    rootfsSize: 100,
    ports: [{ type: 'http', ports: [8000] }],
  }),
  template({
    Id: '107673',
    name: 'Notebook with tool',
    channel: 'community',
    image: 'docker.io/acme/notebook:1.4',
    entrypoint: '/usr/bin/tini --',
    ports: [{ type: 'tcp', ports: [22] }],
    tools: [{ name: 'Jupyter', describe: 'Jupyter Lab', port: 8888, type: 'http' }],
  }),
  template({
    Id: '107680',
    name: 'Own worker',
    channel: 'private',
    image: 'docker.io/acme/worker:1.4',
    imageAuth: REGISTRY_AUTHS[0]?.id ?? '',
    startCommand: 'bash -lc /app/run.sh',
    ports: [
      { type: 'http', ports: [80, 8080] },
      { type: 'tcp', ports: [22] },
    ],
  }),
  template({
    Id: '990001',
    name: 'Not ours',
    channel: 'private',
    image: 'docker.io/other/secret:1',
    ofSomeoneElse: true,
  }),
];
