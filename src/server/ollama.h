// Ollama's API over the one model that is loaded; streams are JSON objects, one a line.
#pragma once

#include "server/http.h"
#include "server/service.h"

namespace onebit::server {

HttpResponse ollama_chat(Service& service, const HttpRequest& request);
HttpResponse ollama_generate(Service& service, const HttpRequest& request);
HttpResponse ollama_embed(Service& service, const HttpRequest& request);
HttpResponse ollama_tags(const Service& service);
HttpResponse ollama_show(const Service& service, const HttpRequest& request);

}  // namespace onebit::server
