"""The FLUX engine: every line of torch, diffusers and Triton. It imports nothing of the ledger, Redis or Celery.

Shapes have the same letters in every file:

    B        images of a batch; the images of one request share a prompt
    T        tokens: T_text of the prompt (MAX_TEXT_TOKENS), then T_image of the latents, (pixels / 16)^2;
             T = T_text + T_image
    H        attention heads (24)
    D        numbers of a head (128)
    W        width of the residual stream, H * D (3072)

    (B, T, W) is the residual stream, (B * T, W) its rows, (B, T, 3, H, D) queries, keys and values.

    model.py            FluxModel, the worker's LogoModel: requests in, pixels out
    checkpoint.py       finds and checks the files; loading.py puts them on the card (staging.py), lora.py adds adapters
                        on the way
    memory_plan.py      how the weights are kept; speed_plan.py how fast and how exactly a step is computed,
                        step_schedule.py at which steps the transformer runs
    install.py          what a speed plan puts on a pipeline, in order
    denoiser.py         one denoising step, of double_stream.py and single_stream.py
    products.py         matrix products; linears.py the 8-bit and 4-bit layers
    attention.py        attention, and which kernel computes it; fp8_attention.py its inputs in 8 bits
    rows.py             the passes between products, as torch code and as the kernels of kernels.py; those of the 8-bit
                        attention are in attention_kernels.py
    modulation.py, extrapolation.py, graphs.py, decoder.py
                        what stands in for a forward
    side_stream.py, step_sync.py
                        a second CUDA stream; the host's lead over the card
    preview.py          small pictures of unfinished images
    compile_cache.py    where compiled kernels are kept; kept_choices.py which kernels timings chose
"""
