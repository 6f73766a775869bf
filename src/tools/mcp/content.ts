// Converts the result of an MCP tool to text and JSON for a model.
import type { CallToolResult } from '@modelcontextprotocol/client';

type Block = CallToolResult['content'][number];

/** The structured result if there is one, else its blocks as text; `""` when there are none. */
export const outputOf = ({ content = [], structuredContent }: CallToolResult): unknown =>
  structuredContent !== undefined ? structuredContent : content.map(textOf).join('\n');

/** The blocks as one text: the message of a failed tool. */
export const wordsOf = ({ content = [] }: CallToolResult): string => content.map(textOf).join('\n');

function textOf(block: Block): string {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'image':
    case 'audio':
      return `[${block.type}, ${block.mimeType}, ${bytes(block.data)}]`;
    case 'resource_link':
      return `[resource ${block.name}: ${block.uri}${block.description ? `, ${block.description}` : ''}]`;
    case 'resource': {
      const { resource } = block;
      if ('text' in resource) return `[resource ${resource.uri}]\n${resource.text}`;
      return `[resource ${resource.uri}, ${resource.mimeType ?? 'binary'}, ${bytes(resource.blob)}]`;
    }
    default:
      return `[${(block as { type: string }).type}]`;
  }
}

const bytes = (base64: string): string => `${Buffer.byteLength(base64, 'base64')} bytes`;
